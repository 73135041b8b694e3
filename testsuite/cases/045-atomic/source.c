struct lock { _Atomic unsigned owner; _Atomic unsigned long long count; } lock;
