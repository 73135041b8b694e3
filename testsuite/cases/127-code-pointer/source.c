struct ring {
  unsigned head;
#ifdef TWIN
  unsigned long wake;
#else
  void (*wake)(unsigned);
#endif
} ring;
