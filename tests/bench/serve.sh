# A Vigía of its own for a bench, to be sourced: `prepare`, `serve`, `stop`. Needs `vigia`, `load` and `work` (programs and
# a directory), and faketime. Whoever sources it stops `$server` on exit, if it is set.
server=
listen=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export RUST_LOG=warn
# Names of settings begin with VIGIA_, and the server refuses those that it does not know.
unset VIGIA_BIN

# await: until the server answers on its port.
await() {
  for _ in $(seq 200); do
    ! (exec 3<>"/dev/tcp/${listen%:*}/${listen#*:}") 2>/dev/null || return 0
    sleep 0.05
  done
  echo "no server on $listen" >&2
  return 1
}

# A clock that stands before the plan: from init on, since no journal's times run backwards.
preload=$(compgen -G "/usr/lib/*/faketime/libfaketimeMT.so.1" | head -n 1)
past=(env "LD_PRELOAD=$preload" "FAKETIME=@2019-12-01 12:00:00" FAKETIME_DONT_FAKE_MONOTONIC=1)

# prepare NAME [URL]: a data directory with the plan and its obligations, made while the clock stands before the plan.
prepare() {
  local data=$work/$1 flags=(--data "$work/$1") password
  [[ -z ${2:-} ]] || { flags+=(--database "$2"); "$vigia" migrate "${flags[@]}" >/dev/null; }
  password=$("${past[@]}" "$vigia" init "${flags[@]}" -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)["password"])')
  "${past[@]}" "$vigia" serve "${flags[@]}" --listen "$listen" &
  server=$!
  await
  "${past[@]}" "$load" setup --server "$listen" --password="$password" --keys "$data/bench-keys"
  stop
}
serve() {
  local flags=(--data "$work/$1")
  [[ -z ${2:-} ]] || flags+=(--database "$2")
  "$vigia" serve "${flags[@]}" --listen "$listen" &
  server=$!
  await
}
stop() {
  kill -TERM "$server"
  wait "$server" 2>/dev/null || true
  server=
}
