struct header { unsigned char length[4]; unsigned char kind; signed char level; _Bool last; } header;
