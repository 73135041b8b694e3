struct __attribute__((scalar_storage_order("little-endian"))) header { unsigned length; unsigned short kind; } header;
