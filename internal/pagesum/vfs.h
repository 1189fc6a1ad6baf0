#define PAGESUM_NAME "sundial"
#define PAGESUM_PAGE 4096
#define PAGESUM_RESERVED 8

// Registers the file system with SQLite; 0 if that is done.
int pagesum_register(void);
