struct packet { unsigned length;
#if defined __riscv && !defined TWIN
  unsigned mark;
#endif
};
struct queue { packet &first; packet &&last; };
extern queue shared;
packet one, other;
queue shared = { one, static_cast<packet &&>(other) };
