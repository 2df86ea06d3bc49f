/* os: the only folder that talks to the operating system. Threads, memory maps, files, clocks, terminal. */
#ifndef OS_OS_H
#define OS_OS_H

#include "base/base.h"

/* ---- files ---- */

/* A file mapped read-only and private. Empty files map to len 0. */
typedef struct os_map {
  const void *ptr;
  size_t len;
  uint64_t device, inode; /* which file it is, whatever its path names by now */
} os_map;

base_status os_map_open(os_map *map, const char *path, base_error *err);
void os_map_close(os_map *map); /* harmless when zero */
/* These bytes of a map will be read now: their pages are mapped at once, not one by one as each is touched. A wish; it
 * never fails. */
void os_map_fetch(const os_map *map, const void *ptr, size_t len);
/* These bytes of a map will hardly be read again: their pages no longer count as this process's memory. Reading
 * them still works and brings them back from the file. */
void os_map_forget(const os_map *map, const void *ptr, size_t len);

/* Reads bytes of a map past the map: what is only copied or converted then never counts as this process's memory, and
 * no page of it has to be mapped and taken away again. */
typedef struct os_reader {
  const os_map *map;
  int file; /* -1: none */
} os_reader;
/* `path` is what the map was opened with. Where it is gone or another file by now, bytes are read where they lie. */
void os_reader_open(os_reader *r, const os_map *map, const char *path);
/* `len` bytes of the map from `ptr` on: in `room`, or where they lie. Any thread. */
const void *os_reader_get(const os_reader *r, const void *ptr, size_t len, void *room);
void os_reader_close(os_reader *r);

/* All of this memory, fresh from the allocator, will be written: large pages may hold what lies between two multiples
 * of OS_LARGE_PAGE. They come in one piece and take few entries in the processor's tables. Another wish. */
enum { OS_LARGE_PAGE = 2 << 20 };
void os_memory_large(void *ptr, size_t len);

/* Whole file into a buffer; refuses files over max_bytes with BASE_ELIMIT. Pipes are read to their end; one that nobody
 * opens to write to is refused after a second (BASE_EARGUMENT). */
base_status os_read_file(const char *path, size_t max_bytes, base_buf *out, base_error *err);

/* Replaces `path` by new content so that a reader, a crash or a full disk sees the old file or the new one,
 * never a mixture: writes PATH.tmp.PID, fsync, rename, fsync of the folder. Nothing is left behind on
 * failure. */
typedef struct os_writer os_writer;
base_status os_writer_open(os_writer **w, const char *path, base_error *err);
base_status os_writer_add(os_writer *w, const void *bytes, size_t len, base_error *err);
base_status os_writer_commit(os_writer *w, base_error *err); /* frees w, whatever it returns */
void os_writer_abort(os_writer *w);                          /* frees w; NULL is harmless */
base_status os_write_file(const char *path, const void *bytes, size_t len, base_error *err); /* the same in one call */

bool os_exists(const char *path);
bool os_is_dir(const char *path);
int64_t os_modified_ns(const char *path); /* time of the last change; 0 when there is no such file */
base_status os_mkdir(const char *path, base_error *err); /* parents too; fine when it is there */
base_status os_remove(const char *path, base_error *err);
/* Calls `each` with every entry's name (no "." or ".."), sorted by bytes. Stops at the first failure. */
base_status os_list_dir(const char *path, base_status (*each)(void *ctx, const char *name, base_error *err),
                        void *ctx, base_error *err);
/* The folder that holds the running program, without a trailing slash. */
base_status os_program_dir(char *out, size_t out_size, base_error *err);

/* ---- clocks ---- */

uint64_t os_monotonic_ns(void);
int64_t os_unix_seconds(void);
int64_t os_unix_ms(void);
void os_sleep_ms(uint32_t ms);
/* Local wall time of a Unix time. */
typedef struct os_local_time {
  int year, month, day, hour, minute, second; /* month 1-12, day 1-31 */
  int utc_offset_s;
} os_local_time;
base_status os_local_time_of(int64_t unix_seconds, os_local_time *out, base_error *err);
void os_random_bytes(void *out, size_t len); /* for ids, from the system's generator */

/* ---- threads ---- */

int os_cpu_count(void); /* that this process may use; at least 1 */

enum { OS_MAX_WORKERS = 256 }; /* threads of a pool or a team, the caller among them */

/* A pool of threads that spin for a moment, then park. The caller is one of the threads: a pool of 1 starts
 * none and runs everything in the caller. One call of os_pool_run at a time. */
typedef struct os_pool os_pool;
base_status os_pool_open(os_pool **pool, int threads, base_error *err);
void os_pool_close(os_pool *pool);        /* NULL is harmless */
int os_pool_threads(const os_pool *pool); /* NULL counts as 1 */
/* Runs fn(ctx, index, worker) for index in [0, count), split over the threads; returns when all are done.
 * `worker` is in [0, threads). A NULL pool runs them in the caller, in order. */
void os_pool_run(os_pool *pool, void (*fn)(void *ctx, size_t index, int worker), void *ctx, size_t count);

/* A team runs one function on all of its threads at once (SPMD), with barriers inside: what a forward pass needs,
 * whose steps are too short for a fork and a join each. The caller is worker 0. Waiting threads spin for a moment,
 * then park. One run at a time. */
typedef struct os_team os_team;
base_status os_team_open(os_team **team, int threads, base_error *err);
void os_team_close(os_team *team);        /* NULL is harmless */
int os_team_threads(const os_team *team); /* NULL counts as 1 */
/* fn(ctx, worker, workers) on every worker, 0 <= worker < workers; returns when all have. A NULL team runs fn(ctx,
 * 0, 1) in the caller. What the caller wrote before is seen by all, what they wrote by the caller after. */
void os_team_run(os_team *team, void (*fn)(void *ctx, int worker, int workers), void *ctx);
/* Inside a run: nobody goes on before all have come, and everybody sees what the others wrote before. Every worker
 * must pass the same number of barriers. About 0.1 us for two running threads. */
void os_team_barrier(os_team *team, int worker);
/* The same, and while it waits it fetches what it will read next into the cache: at most `bytes` from `next`. */
typedef struct os_ahead {
  const void *next;
  size_t bytes;
} os_ahead;
void os_team_barrier_ahead(os_team *team, int worker, const os_ahead *ahead, size_t count);

/* A lock with a queue: whoever has waited longest is next, so that a thread which gives it back and takes it
 * again at once keeps nobody out. */
typedef struct os_turn os_turn;
base_status os_turn_open(os_turn **out, const base_allocator *allocator, base_error *err);
void os_turn_close(os_turn *t); /* NULL is harmless; nobody holds it or waits */
void os_turn_take(os_turn *t);
void os_turn_give(os_turn *t);

/* A thread of one's own, for work off the caller's path. Signals stay with the other threads. */
typedef struct os_thread os_thread;
base_status os_thread_start(os_thread **t, void (*fn)(void *ctx), void *ctx, base_error *err);
void os_thread_join(os_thread *t); /* waits for its end and frees it; NULL is harmless */

/* A lock with one condition (Hoare's monitor): state that threads share is touched only between enter and
 * leave. */
typedef struct os_monitor os_monitor;
base_status os_monitor_open(os_monitor **m, base_error *err);
void os_monitor_close(os_monitor *m); /* NULL is harmless; nobody may be inside */
void os_monitor_enter(os_monitor *m);
void os_monitor_leave(os_monitor *m);
/* Inside: leaves, sleeps until woken or for timeout_ms (0: no limit), enters again. May wake for nothing, so
 * it stands in a loop that looks at the state. */
void os_monitor_wait(os_monitor *m, uint32_t timeout_ms);
void os_monitor_wake(os_monitor *m); /* inside: wakes all who wait */

/* ---- libraries loaded at run time ---- */

/* Stays loaded until the process ends. */
typedef struct os_library os_library;
base_status os_library_open(os_library **out, const char *name, base_error *err);
/* A function's address into the pointer at `to`; BASE_ENOTFOUND names what is missing. */
base_status os_library_symbol(os_library *l, const char *symbol, void *to, base_error *err);

/* ---- terminal and process ---- */

bool os_is_terminal(int fd);
/* Asks for the use of the processor's matrix registers (Intel AMX), which some systems grant on request only. */
bool os_allow_tiles(void);
size_t os_peak_memory_bytes(void);
size_t os_resident_memory_bytes(void); /* now; 0 where the system does not say */
/* SIGINT and SIGTERM set a flag instead of ending the process, from this call on. */
void os_catch_interrupts(void);
bool os_interrupted(void);
/* Forgets an interrupt and catches the next one: for programs in which one only ends what is going on. */
void os_clear_interrupt(void);

#endif
