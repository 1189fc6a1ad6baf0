// A file system for SQLite in which each page of a database carries a checksum: see pagesum.go.

#include <stdint.h>
#include <string.h>

#include "vfs.h"

// What of SQLite's interface is used. It is a stable one; its header belongs to the package that has SQLite, which another
// package cannot include.
typedef long long sqlite3_int64;
typedef struct sqlite3_file sqlite3_file;
typedef struct sqlite3_vfs sqlite3_vfs;
typedef void (*sqlite3_syscall_ptr)(void);

typedef struct sqlite3_io_methods {
	int iVersion;
	int (*xClose)(sqlite3_file *);
	int (*xRead)(sqlite3_file *, void *, int, sqlite3_int64);
	int (*xWrite)(sqlite3_file *, const void *, int, sqlite3_int64);
	int (*xTruncate)(sqlite3_file *, sqlite3_int64);
	int (*xSync)(sqlite3_file *, int);
	int (*xFileSize)(sqlite3_file *, sqlite3_int64 *);
	int (*xLock)(sqlite3_file *, int);
	int (*xUnlock)(sqlite3_file *, int);
	int (*xCheckReservedLock)(sqlite3_file *, int *);
	int (*xFileControl)(sqlite3_file *, int, void *);
	int (*xSectorSize)(sqlite3_file *);
	int (*xDeviceCharacteristics)(sqlite3_file *);
	int (*xShmMap)(sqlite3_file *, int, int, int, void volatile **);
	int (*xShmLock)(sqlite3_file *, int, int, int);
	void (*xShmBarrier)(sqlite3_file *);
	int (*xShmUnmap)(sqlite3_file *, int);
	int (*xFetch)(sqlite3_file *, sqlite3_int64, int, void **);
	int (*xUnfetch)(sqlite3_file *, sqlite3_int64, void *);
} sqlite3_io_methods;

struct sqlite3_file {
	const sqlite3_io_methods *pMethods;
};

struct sqlite3_vfs {
	int iVersion;
	int szOsFile;
	int mxPathname;
	sqlite3_vfs *pNext;
	const char *zName;
	void *pAppData;
	int (*xOpen)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);
	int (*xDelete)(sqlite3_vfs *, const char *, int);
	int (*xAccess)(sqlite3_vfs *, const char *, int, int *);
	int (*xFullPathname)(sqlite3_vfs *, const char *, int, char *);
	void *(*xDlOpen)(sqlite3_vfs *, const char *);
	void (*xDlError)(sqlite3_vfs *, int, char *);
	void (*(*xDlSym)(sqlite3_vfs *, void *, const char *))(void);
	void (*xDlClose)(sqlite3_vfs *, void *);
	int (*xRandomness)(sqlite3_vfs *, int, char *);
	int (*xSleep)(sqlite3_vfs *, int);
	int (*xCurrentTime)(sqlite3_vfs *, double *);
	int (*xGetLastError)(sqlite3_vfs *, int, char *);
	int (*xCurrentTimeInt64)(sqlite3_vfs *, sqlite3_int64 *);
	int (*xSetSystemCall)(sqlite3_vfs *, const char *, sqlite3_syscall_ptr);
	sqlite3_syscall_ptr (*xGetSystemCall)(sqlite3_vfs *, const char *);
	const char *(*xNextSystemCall)(sqlite3_vfs *, const char *);
};

// Weak, since they are in another package: cgo links each one by itself once, to look at it.
extern sqlite3_vfs *sqlite3_vfs_find(const char *) __attribute__((weak));
extern int sqlite3_vfs_register(sqlite3_vfs *, int) __attribute__((weak));

enum {
	OK = 0,
	ERROR = 1,
	IOERR_SHORT_READ = 10 | 2 << 8,
	IOERR_WRITE = 10 | 3 << 8,
	IOERR_DATA = 10 | 32 << 8,
	OPEN_MAIN_DB = 0x100,
	IOCAP_SUBPAGE_READ = 0x8000,
	RESERVED_AT = 20, // in the header of a database: how many bytes of each page are not SQLite's
};

// XXH64 (Yann Collet), of whole words of eight bytes.
static const uint64_t P1 = 11400714785074694791ULL, P2 = 14029467366897019727ULL, P3 = 1609587929392839161ULL,
		      P4 = 9650029242287828579ULL, P5 = 2870177450012600261ULL;

static inline uint64_t rotl(uint64_t x, int r) { return x << r | x >> (64 - r); }

static inline uint64_t word(const unsigned char *p) {
	uint64_t x;
	memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

static inline uint64_t turn(uint64_t acc, uint64_t input) { return rotl(acc + input * P2, 31) * P1; }

static inline uint64_t merge(uint64_t h, uint64_t v) { return (h ^ turn(0, v)) * P1 + P4; }

static uint64_t sum(const unsigned char *p, uint64_t number) {
	const unsigned char *end = p + PAGESUM_PAGE - PAGESUM_RESERVED;
	uint64_t a = number + P1 + P2, b = number + P2, c = number, d = number - P1;
	for (; p + 32 <= end; p += 32) {
		a = turn(a, word(p));
		b = turn(b, word(p + 8));
		c = turn(c, word(p + 16));
		d = turn(d, word(p + 24));
	}
	uint64_t h = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
	h = merge(merge(merge(merge(h, a), b), c), d) + (PAGESUM_PAGE - PAGESUM_RESERVED);
	for (; p < end; p += 8)
		h = rotl(h ^ turn(0, word(p)), 27) * P1 + P4;
	h = (h ^ h >> 33) * P2;
	h = (h ^ h >> 29) * P3;
	return h ^ h >> 32;
}

// A database; the file that it really is comes behind it.
typedef struct {
	sqlite3_file base;
} database;

static inline sqlite3_file *real(sqlite3_file *f) { return (sqlite3_file *)((database *)f + 1); }

static int whole(int amount, sqlite3_int64 offset) { return amount == PAGESUM_PAGE && offset % PAGESUM_PAGE == 0; }

static int dbRead(sqlite3_file *f, void *to, int amount, sqlite3_int64 offset) {
	int rc = real(f)->pMethods->xRead(real(f), to, amount, offset);
	if (rc == IOERR_SHORT_READ && amount == PAGESUM_PAGE && offset > 0)
		return IOERR_DATA; // the file was cut: a page that was never written is not read
	if (rc != OK)
		return rc;
	if (whole(amount, offset)) {
		const unsigned char *page = to;
		if (sum(page, offset / PAGESUM_PAGE + 1) != word(page + PAGESUM_PAGE - PAGESUM_RESERVED))
			return IOERR_DATA;
		return OK;
	}
	// Two parts of the header are read before the first page is. Anything else means that the header gives the pages
	// another size than they have.
	if ((offset == 0 && amount == 100) || (offset == 24 && amount == 16))
		return OK;
	return IOERR_DATA;
}

static int dbWrite(sqlite3_file *f, const void *from, int amount, sqlite3_int64 offset) {
	unsigned char *page = (unsigned char *)from; // SQLite uses nothing of the last bytes, so they can be set where they are
	if (!whole(amount, offset) || (offset == 0 && page[RESERVED_AT] != PAGESUM_RESERVED))
		return IOERR_WRITE;
	uint64_t h = sum(page, offset / PAGESUM_PAGE + 1);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	h = __builtin_bswap64(h);
#endif
	memcpy(page + PAGESUM_PAGE - PAGESUM_RESERVED, &h, sizeof h);
	return real(f)->pMethods->xWrite(real(f), from, amount, offset);
}

static int dbClose(sqlite3_file *f) { return real(f)->pMethods->xClose(real(f)); }
static int dbTruncate(sqlite3_file *f, sqlite3_int64 size) { return real(f)->pMethods->xTruncate(real(f), size); }
static int dbSync(sqlite3_file *f, int flags) { return real(f)->pMethods->xSync(real(f), flags); }
static int dbFileSize(sqlite3_file *f, sqlite3_int64 *size) { return real(f)->pMethods->xFileSize(real(f), size); }
static int dbLock(sqlite3_file *f, int kind) { return real(f)->pMethods->xLock(real(f), kind); }
static int dbUnlock(sqlite3_file *f, int kind) { return real(f)->pMethods->xUnlock(real(f), kind); }
static int dbCheckReservedLock(sqlite3_file *f, int *is) { return real(f)->pMethods->xCheckReservedLock(real(f), is); }
static int dbFileControl(sqlite3_file *f, int op, void *arg) { return real(f)->pMethods->xFileControl(real(f), op, arg); }
static int dbSectorSize(sqlite3_file *f) { return real(f)->pMethods->xSectorSize(real(f)); }

static int dbDeviceCharacteristics(sqlite3_file *f) {
	return real(f)->pMethods->xDeviceCharacteristics(real(f)) & ~IOCAP_SUBPAGE_READ; // only whole pages can be checked
}

static int dbShmMap(sqlite3_file *f, int region, int size, int extend, void volatile **at) {
	return real(f)->pMethods->xShmMap(real(f), region, size, extend, at);
}
static int dbShmLock(sqlite3_file *f, int offset, int n, int flags) { return real(f)->pMethods->xShmLock(real(f), offset, n, flags); }
static void dbShmBarrier(sqlite3_file *f) { real(f)->pMethods->xShmBarrier(real(f)); }
static int dbShmUnmap(sqlite3_file *f, int delete) { return real(f)->pMethods->xShmUnmap(real(f), delete); }

// What is mapped is not read, and so not checked: nothing is.
static int dbFetch(sqlite3_file *f, sqlite3_int64 offset, int amount, void **at) {
	(void)f, (void)offset, (void)amount;
	*at = 0;
	return OK;
}
static int dbUnfetch(sqlite3_file *f, sqlite3_int64 offset, void *at) {
	(void)f, (void)offset, (void)at;
	return OK;
}

static const sqlite3_io_methods methods = {
	3, dbClose, dbRead, dbWrite, dbTruncate, dbSync, dbFileSize, dbLock, dbUnlock, dbCheckReservedLock, dbFileControl, dbSectorSize,
	dbDeviceCharacteristics, dbShmMap, dbShmLock, dbShmBarrier, dbShmUnmap, dbFetch, dbUnfetch,
};

static sqlite3_vfs *under; // the one that does the work
static sqlite3_vfs ours;

static int fsOpen(sqlite3_vfs *fs, const char *name, sqlite3_file *f, int flags, int *given) {
	(void)fs;
	if (!(flags & OPEN_MAIN_DB)) // the write-ahead log has checksums of its own, and what is temporary is of one process
		return under->xOpen(under, name, f, flags, given);
	f->pMethods = 0;
	int rc = under->xOpen(under, name, real(f), flags, given);
	if (rc == OK)
		f->pMethods = &methods;
	return rc;
}

static int fsDelete(sqlite3_vfs *fs, const char *name, int sync) { return (void)fs, under->xDelete(under, name, sync); }
static int fsAccess(sqlite3_vfs *fs, const char *name, int flags, int *is) { return (void)fs, under->xAccess(under, name, flags, is); }
static int fsFullPathname(sqlite3_vfs *fs, const char *name, int n, char *out) { return (void)fs, under->xFullPathname(under, name, n, out); }
static void *fsDlOpen(sqlite3_vfs *fs, const char *name) { return (void)fs, under->xDlOpen(under, name); }
static void fsDlError(sqlite3_vfs *fs, int n, char *out) { (void)fs, under->xDlError(under, n, out); }
static void (*fsDlSym(sqlite3_vfs *fs, void *lib, const char *name))(void) { return (void)fs, under->xDlSym(under, lib, name); }
static void fsDlClose(sqlite3_vfs *fs, void *lib) { (void)fs, under->xDlClose(under, lib); }
static int fsRandomness(sqlite3_vfs *fs, int n, char *out) { return (void)fs, under->xRandomness(under, n, out); }
static int fsSleep(sqlite3_vfs *fs, int micros) { return (void)fs, under->xSleep(under, micros); }
static int fsCurrentTime(sqlite3_vfs *fs, double *now) { return (void)fs, under->xCurrentTime(under, now); }
static int fsGetLastError(sqlite3_vfs *fs, int n, char *out) { return (void)fs, under->xGetLastError(under, n, out); }
static int fsCurrentTimeInt64(sqlite3_vfs *fs, sqlite3_int64 *now) { return (void)fs, under->xCurrentTimeInt64(under, now); }

int pagesum_register(void) {
	if (!sqlite3_vfs_find || !sqlite3_vfs_register)
		return ERROR;
	under = sqlite3_vfs_find(0);
	if (!under || under->iVersion < 2)
		return ERROR;
	ours = (sqlite3_vfs){
		.iVersion = 2, .szOsFile = (int)sizeof(database) + under->szOsFile, .mxPathname = under->mxPathname, .zName = PAGESUM_NAME,
		.xOpen = fsOpen, .xDelete = fsDelete, .xAccess = fsAccess, .xFullPathname = fsFullPathname,
		.xDlOpen = fsDlOpen, .xDlError = fsDlError, .xDlSym = fsDlSym, .xDlClose = fsDlClose,
		.xRandomness = fsRandomness, .xSleep = fsSleep, .xCurrentTime = fsCurrentTime, .xGetLastError = fsGetLastError,
		.xCurrentTimeInt64 = fsCurrentTimeInt64,
	};
	return sqlite3_vfs_register(&ours, 0);
}
