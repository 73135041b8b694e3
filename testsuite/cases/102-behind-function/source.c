struct packet {
  unsigned length;
#if defined __riscv && !defined TWIN
  unsigned mark;
#endif
};
int (*receive)(struct packet *);
