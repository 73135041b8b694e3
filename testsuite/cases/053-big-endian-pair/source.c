struct s { unsigned low : 4; unsigned high : 12; long n; double d; struct s *next; } s;
