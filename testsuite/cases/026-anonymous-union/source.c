struct outer { int id; union { struct { short a, b; }; int both; }; } outer;
