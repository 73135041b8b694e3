struct sample { unsigned char kind; double value; long long count; } sample;
