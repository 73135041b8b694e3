struct wide { unsigned char kind; __int128 value; } wide;
