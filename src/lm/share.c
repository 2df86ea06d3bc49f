/* lm/share: weights read by every worker. A worker reads its share of each matrix, the same lines with every token,
 * so that a line has one reader; a cache behind those of the cores then gives the line away to its reader and takes it
 * back, every time. Lines that several cores have held at the same time stay where they are and are copied (Intel
 * since Skylake: the last level does not include the cores' caches), which is 15 to 60 % faster, as busy as the
 * machine is. So workers now and then read all weights in turns: piece by piece, small enough for what one has read to
 * be in its cache when the next one reads it. */
#include "lm/internal.h"

enum { PIECE_BYTES = 128 << 10, LINE_BYTES = 64 };

static void read_piece(const lm_model *m, size_t piece) {
  size_t begin = piece * PIECE_BYTES, end = begin + PIECE_BYTES;
  if (end > m->packed_bytes) end = m->packed_bytes;
  for (size_t at = begin; at < end; at += LINE_BYTES) (void)*(const volatile unsigned char *)(m->packed + at);
}

/* Of as many pieces as there are workers each reads one, then its neighbour's, ..., then its first again: by then both
 * of a pair know of the other. */
static void read_in_turns(void *model, int worker, int workers) {
  const lm_model *m = model;
  size_t me = (size_t)worker, of = (size_t)workers;
  for (size_t first = 0; first * PIECE_BYTES < m->packed_bytes; first += of)
    for (size_t turn = 0; turn <= of; turn++) {
      os_team_barrier(m->options.team, worker);
      read_piece(m, first + (me + turn) % of);
    }
}

/* The first time before the second pass, so that the first answer does not wait for it; again because the lines of a
 * process that rested go to memory and come back for one reader. */
void lm_share_weights(lm_model *m) {
  if (m->packed_bytes > LM_COMMON_BYTES || os_team_threads(m->options.team) < 2) return;
  if (m->passes++ % LM_SHARING_PASSES == 1) os_team_run(m->options.team, read_in_turns, m);
}
