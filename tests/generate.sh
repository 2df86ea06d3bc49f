#!/bin/bash
# minnow generate and minnow chat from outside, on the tiny language model that lm_cases writes: what goes where, exit
# statuses, bad input; then chat on a terminal of its own (chat_terminal.py).
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/program.sh
program_needs generate "$build/tests/lm_cases"
export LC_ALL=C.UTF-8

model=$folder/model.gguf
"$build/tests/lm_cases" "$model" 1 chat 512 || exit 1
"$build/tests/lm_cases" "$folder/other.gguf" 2 chat 512 || exit 1
"$build/tests/lm_cases" "$folder/bare.gguf" 1 bare 512 || exit 1
"$build/tests/lm_cases" "$folder/long.gguf" 1 chat 200000 || exit 1
head -c 20000 "$model" >"$folder/cut.gguf"

# ---- generate ----
for command in generate chat; do
  call $command --help
  [ $status -eq 0 ] && has "$out" "usage: minnow $command" && [ -z "$err" ]; ok $? "help of $command"
  call $command --nonsense
  fails 2 "unknown option of $command"
  call $command
  fails 2 "$command without a model"
  call $command -m "$folder/nowhere.gguf" -n 3
  fails 1 "$command: no such file"
  call $command -m "$folder/cut.gguf" -n 3
  fails 1 "$command: a file that was cut"
  call $command -m "$model" --memory-mb 0.1
  fails 2 "$command: not a number"
  has "$err" '--memory-mb takes a whole number from 0 to 4294967295, not "0.1"'; ok $? "$command: which number, and what it may be"
  call $command -m "$model" -t 257
  fails 2 "$command: too many threads"
  call $command -m "$model" --kv q3
  fails 1 "$command: no such cache"
done
call chat --help
has "$out" "/reset" && has "$out" "Ctrl-C"; ok $? "help of chat lists its commands"

g=(generate -m "$model" -n 30 --ignore-end)
call "${g[@]}" -p "the cat"
first=$out
[ $status -eq 0 ] && has "$err" "30 generated" && has "$err" "ended by length"; ok $? "generate"
call "${g[@]}" the cat
[ "$out" = "$first" ]; ok $? "words are the prompt"
printf 'the cat' >"$folder/prompt"
input=$folder/prompt
call "${g[@]}"
[ "$out" = "$first" ]; ok $? "stdin is the prompt"
input=''
call "${g[@]}" --prompt-file "$folder/prompt" --lookup -t 1 --quiet
[ "$out" = "$first" ] && [ -z "$err" ]; ok $? "a file is the prompt; guesses and threads change nothing; quiet"
call "${g[@]}" -p "the cat" --seed 5
[ "$out" != "$first" ]; ok $? "another seed"
call "${g[@]}" -p "the cat" --temp 0 --json --logprobs 2
[ $status -eq 0 ] && [ "$(field 'len(j["tokens"]), j["finish"], j["generated_tokens"]' <"$folder/out")" = "(30, 'length', 30)" ] &&
  [ "$(field 'all(len(t["top"]) == 2 and t["top"][0]["id"] == t["id"] for t in j["tokens"])' <"$folder/out")" = True ]
ok $? "JSON with log-probabilities"
text=$(field 'j["text"]' <"$folder/out")
call "${g[@]}" -p "the cat" --temp 0
[ "$out" = "$text" ]; ok $? "the same text as JSON"
call "${g[@]}" -p "the cat" --temp 0 --stop "${text:10:2}"
[ "$out" = "${text%%"${text:10:2}"*}" ] && has "$err" "ended by stop"; ok $? "a stop string"
call "${g[@]}" -p "hello" --chat --system "Be a cat." --json
[ $status -eq 0 ] && [ "$(field 'j["prompt_tokens"] > 10' <"$folder/out")" = True ]; ok $? "as a message"
call "${g[@]}" -p x words
fails 2 "two prompts"
call "${g[@]}" -p x --chat --raw
fails 2 "chat and raw"
call "${g[@]}" -p x --system y
fails 2 "system without chat"
call "${g[@]}" -p x --logprobs 2
fails 2 "log-probabilities without JSON"
call "${g[@]}" -p x --json --logprobs 21
fails 2 "too many log-probabilities"
call "${g[@]}" -p x --temp -1
fails 1 "a temperature below zero"
call "${g[@]}" -p x --top-p 2
fails 1 "top-p above one"
call "${g[@]}" -p "$(printf 'x%.0s' $(seq 3000))"
fails 1 "a prompt longer than the context"
has "$err" "512"; ok $? "says how long the context is"
call generate -m "$folder/bare.gguf" --chat -p x -n 3
fails 1 "no template"
call "${g[@]}" -p x --memory-mb 1
memory=$status
call "${g[@]}" -p x -c 100 --kv q8
[ $status -eq 0 ]; ok $? "a short int8 cache (within 1 MB: exit $memory)"
call generate -m "$model" -p x -n 0 -c 64
[ $status -eq 0 ]; ok $? "until the context is full"
call "${g[@]}" -p x -n 0 --deadline-ms 30 --shift
[ $status -eq 0 ] && has "$err" "ended by deadline"; ok $? "a deadline"

call "${g[@]}" -p "the cat and the hat and the cat" --cache "$folder/cache"
first=$out
call "${g[@]}" -p "the cat and the hat and the cat" --cache "$folder/cache"
[ "$out" = "$first" ] && has "$err" "kept from before"; ok $? "a cache for the prompt"
call generate -m "$folder/other.gguf" -p "the cat and the hat and the cat" --cache "$folder/cache"
fails 1 "the cache of another model"
call "${g[@]}" -p "the cat" --cache "$folder/nowhere/cache"
[ $status -eq 1 ] && has "$err" "minnow: $folder/nowhere"; ok $? "a cache that cannot be written"

cat >"$folder/schema.json" <<'END'
{"type":"object","properties":{"name":{"type":"string","maxLength":9},"kind":{"enum":["cat","hat"]}},
 "required":["name","kind"],"additionalProperties":false}
END
call generate -m "$model" -p "Give me one." --schema "$folder/schema.json" --seed 3 --temp 1
[ $status -eq 0 ] && [ "$(field 'sorted(j), j["kind"] in ("cat", "hat"), len(j["name"]) < 10' <"$folder/out")" = "(['kind', 'name'], True, True)" ]
ok $? "an answer that fits a schema"
has "$err" "without a choice"; ok $? "says how many tokens were forced"
for seed in 1 2 3 4 5 6; do
  call generate -m "$model" -p "Give me one." --schema "$folder/schema.json" --seed $seed --temp 1 --order schema
  [ $status -eq 0 ] && [ "$(field 'list(j)' <"$folder/out")" = "['name', 'kind']" ]; ok $? "in the schema's order, seed $seed"
done
call generate -m "$model" -p x --schema "$folder/schema.json" --order best
fails 2 "an order that is none"
call generate -m "$model" -p x --order schema
fails 2 "an order without a schema"
call generate -m "$model" -p "Give me one." --schema "$folder/schema.json" -n 4 --json
fails 1 "an answer that is cut is none"
call generate -m "$model" -p "A code: " --regex '[a-f]{4}' --quiet
[ $status -eq 0 ] && [[ $out =~ ^[a-f]{4}$ ]]; ok $? "an expression"
echo 'root ::= ("yes" | "no") ", " [0-9]{2}' >"$folder/rule.gbnf"
call generate -m "$model" -p "Well: " --grammar "$folder/rule.gbnf" --quiet
[ $status -eq 0 ] && [[ $out =~ ^(yes|no),\ [0-9]{2}$ ]]; ok $? "a grammar's answer"
echo 'root ::= nothing' >"$folder/bad.gbnf"
call generate -m "$model" -p x --grammar "$folder/bad.gbnf"
[ $status -eq 1 ] && [[ $err == *nothing* ]]; ok $? "a grammar with a rule that is not there"
call generate -m "$model" -p x --schema "$folder/schema.json" --regex a
fails 2 "two rules"
call generate -m "$model" -p x --schema "$model"
fails 1 "a schema that is none"
call generate -m "$model" -p x --regex '('
fails 1 "an expression that is none"

# ---- functions that the model may call ----
cat >"$folder/tools.json" <<'END'
[{"type":"function","function":{"name":"pet","description":"Pets.","parameters":{"type":"object",
  "properties":{"what":{"enum":["cat","hat"]}},"required":["what"],"additionalProperties":false}}}]
END
t=(generate -m "$folder/long.gguf" -c 2000 --tools "$folder/tools.json" --quiet -n 300)
call "${t[@]}" -p "Pet it." --tool-choice required --single-call
[ $status -eq 0 ] && [[ $out =~ ^pet\(\{\"what\":\ ?\"(cat|hat)\"\}\)$ ]]; ok $? "a call"
call "${t[@]}" -p "Pet it." --tool-choice '{"type":"function","function":{"name":"pet"}}' --single-call --json
[ "$(field 'j["object"], j["choices"][0]["finish_reason"], j["choices"][0]["message"]["content"]' <"$folder/out")" = "('chat.completion', 'tool_calls', None)" ] &&
  [ "$(field '[c["function"]["name"] for c in j["choices"][0]["message"]["tool_calls"]]' <"$folder/out")" = "['pet']" ]
ok $? "a call in OpenAI's shape"
field 'json.dumps([{"role": "user", "content": "Pet it."}, j["choices"][0]["message"], {"role": "tool", "content": "purr",
  "tool_call_id": j["choices"][0]["message"]["tool_calls"][0]["id"]}])' <"$folder/out" >"$folder/talk.json"
call "${t[@]}" --messages "$folder/talk.json" --tool-choice none -n 5 --json
[ $status -eq 0 ] && [ "$(field 'j["choices"][0]["finish_reason"], j["usage"]["completion_tokens"]' <"$folder/out")" = "('length', 5)" ]
ok $? "a result goes back"
call "${t[@]}" -p x --tool-choice '{"type":"function","function":{"name":"fly"}}'
fails 1 "a choice of a tool that is none"
call "${t[@]}" -p x --tools "$folder/schema.json"
fails 1 "tools that are none"
call generate -m "$model" -p x --tool-choice required
fails 2 "a choice without tools"
echo '{"type":"json_object"}' >"$folder/format.json"
call "${t[@]}" -p x --response-format "$folder/format.json"
fails 1 "a response format and tools"
call generate -m "$model" -p x --response-format "$folder/format.json" --schema "$folder/schema.json"
fails 2 "a response format and a schema"
call generate -m "$model" --chat --response-format "$folder/tools.json" -p x
fails 1 "a response format that is none"
call chat -m "$folder/long.gguf" --tools "$folder/format.json"
fails 1 "chat: tools that are none"

# Ctrl-C ends it: what came is kept, exit 1
"$minnow" generate -m "$model" -p x -n 0 --shift --ignore-end >"$folder/out" 2>"$folder/err" </dev/null &
sleep 0.4
kill -INT $!
wait $!
status=$? out='' err=$(cat "$folder/err")
[ $status -eq 1 ] && [ -s "$folder/out" ] && has "$err" "ended by cancelled"; ok $? "interrupted"

# ---- chat ----
printf 'hello\n/save %s\nand then?\n/undo\n/nonsense\n/reset\n/load %s\nhm\n/quit\nnot read\n' "$folder/talk" "$folder/talk" \
  >"$folder/script"
input=$folder/script
call chat -m "$model" --system "Be a cat." -n 10 --seed 1
[ $status -eq 0 ] && [ -z "$err" ] && has "$out" "(3 messages in $folder/talk)" && has "$out" "(taken back)" &&
  has "$out" "there is no command /nonsense" && has "$out" "(a new conversation)"
ok $? "a scripted conversation"
[ "$(wc -l <"$folder/talk")" -eq 3 ] && [ "$(head -n 1 "$folder/talk" | field 'j["role"]')" = system ]; ok $? "the saved file"
call chat -m "$folder/bare.gguf"
fails 1 "chat without a template"
call chat -m "$model" word
fails 2 "chat with a word"
input=''

if ! has_terminal; then
  skips "chat on a terminal: there are no pseudo-terminals here"
elif report=$(python3 tests/chat_terminal.py "$minnow" "$model" "$folder/long.gguf" 2>&1); then
  passed=$((passed + $(grep -c '^ok ' <<<"$report")))
else
  status=1 out=$report err='' failed=$((failed + 1))
  echo "not ok chat on a terminal"
  echo "$report" | tail -n 40
fi

program_sum generate
