struct beside { _Alignas(8) int owner; _Atomic long long count; } beside;
struct alone { _Atomic long long count; } alone;
