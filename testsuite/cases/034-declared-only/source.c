struct secret;
struct holder { struct secret *secret; } holder;
