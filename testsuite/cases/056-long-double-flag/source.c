struct sample { long double value; } sample;
