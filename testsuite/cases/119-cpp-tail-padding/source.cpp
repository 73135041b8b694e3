struct base { base(); int number; unsigned char kind; private: unsigned char more; };
struct derived : base { derived(); unsigned char own; };
base::base() : number(1), kind(2), more(3) {}
derived::derived() : own(4) {}
derived shared;
