struct header { unsigned char kind : 4; int length : 12; } header;
