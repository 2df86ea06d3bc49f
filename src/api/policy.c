/* A policy's public side: is it one, what does it mean for the packs, is it in force. */
#include "api/engine.h"

int mn_policy_check(const char *path, mn_error *error) {
  base_error err = {0};
  policy p;
  if (path == NULL)
    return api_result(base_fail(&err, BASE_EARGUMENT, "policy", "a file is needed"), &err, error);
  return api_result(api_read_policy(path, &p, &err), &err, error);
}

const char *mn_policy_schema(void) { return policy_schema(); }
const char *mn_policy_version(const mn_engine *mn) { return mn->house.policy.version; }

int mn_policy_problem(const mn_engine *mn, mn_error *error) {
  return api_result(mn->house.policy_problem.code, &mn->house.policy_problem, error);
}

bool mn_flag(const mn_engine *mn, const char *name) {
  return policy_flag(&mn->house.policy, name, mn->house.device);
}

/* ---- what its shares mean ---- */

/* "  clock          0.020  0.987  as built" */
static void say_share(const policy *p, const pack *of, base_buf *out) {
  const head_calibration *c = head_brain_calibration(pack_brain(of));
  const char *name = pack_manifest_of(of)->name, *from = "by the pack's curve";
  float share = policy_share(p, name), threshold = head_act_threshold(c, share);
  if (!policy_allows_pack(p, name)) {
    base_buf_printf(out, "  %-12s  not allowed\n", name);
    return;
  }
  if (c->n_risks == 0) from = "the pack has no curve: the larger of what it was built for and 1 - share";
  if (c->n_risks == 0 && share > c->target)
    from = "the pack has no curve: the smaller of what it was built for and 1 - share";
  if (share == c->target) from = "as the pack was built";
  base_buf_printf(out, "  %-12s  %.3f  ", name, (double)share);
  if (threshold > 1.0f) base_buf_puts(out, "never  its held-out sentences never showed so small a share\n");
  else base_buf_printf(out, "%.3f  %s\n", (double)threshold, from);
}

int mn_policy_shares(const char *path, const char *packs_dir, mn_text **out, mn_error *error) {
  base_error err = {0};
  mn_error said = {0};
  mn_engine_options o;
  mn_engine *mn = NULL;
  policy p;
  base_status st =
      path ? api_read_policy(path, &p, &err) : base_fail(&err, BASE_EARGUMENT, "policy", "a file is needed");
  mn_text *t = api_text_new(&err, &st);
  mn_engine_options_init(&o);
  o.packs_dir = packs_dir;
  if (!st && mn_engine_open(&mn, &o, &said) != MN_OK)
    st = base_fail(&err, (base_status)said.code, said.where, "%s", said.text);
  for (size_t i = 0; !st && i < mn->n_packs; i++) say_share(&p, mn->packs[i], &t->buf);
  mn_engine_close(mn);
  return api_text_finish(t, out, st, &err, error);
}
