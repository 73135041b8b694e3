#ifdef TWIN
struct own_lock { unsigned value; };
struct table { struct own_lock lock; unsigned rows; } table;
#else
struct qspinlock { unsigned value; };
struct table { struct qspinlock lock; unsigned rows; } table;
#endif
