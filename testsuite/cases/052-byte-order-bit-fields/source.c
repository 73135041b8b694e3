struct s { unsigned low : 4; unsigned high : 12; } s;
