struct message { char kind; } message;
