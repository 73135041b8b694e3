struct s { int n; } s;
