struct header { unsigned char kind; int length; } header;
