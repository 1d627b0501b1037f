#!/usr/bin/env bash
# install.sh [NAME...]: installs the programs in this folder that other people wrote, for our tests:
# scim2-server, scimmy, django-scim2 and better-auth (SCIM servers), scim2-tester (a compliance checker), pyjwt (a library for JSON Web
# Tokens), jsonschema (a validator for JSON Schema), aiosmtpd (a mail server), browser (what drives
# Chromium, which the system must have, and an accessibility checker), typos (a spelling checker), msgraph (Microsoft's SDK for Graph),
# kubernetes-validate (the schemas of Kubernetes).
# Without NAME, all of them.
#
# They land in $ENTRAIN_FOREIGN_DIR, by default the folder `foreign` beside cargo's build output. What is
# there already and was made from the same files is left alone. Two runs at once wait for each other.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${ENTRAIN_FOREIGN_DIR:-${CARGO_TARGET_DIR:-$here/../../target}/foreign}

# python_packages NAME: a virtual environment with exactly the packages of NAME/requirements.txt.
python_packages() {
  python3 -m venv "$root/$1/venv"
  "$root/$1/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --no-deps --requirement "$here/$1/requirements.txt"
}

# node_packages NAME: the packages of NAME/package-lock.json, beside a copy of our glue.
node_packages() {
  cp "$here/$1"/package.json "$here/$1"/package-lock.json "$here/$1"/*.mjs "$root/$1/"
  (cd "$root/$1" && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error)
}

# chromium: the browser itself comes from the system.
chromium() {
  command -v chromium || command -v chromium-browser || command -v google-chrome || {
    echo "there is no Chromium: please install the system's package" >&2
    return 1
  }
}

# install NAME: anew, unless the stamp says that it was made from the files as they are now.
install() {
  local name=$1 stamp log=$root/$1.log status=0
  stamp=$(cd "$here" && cat install.sh "$name"/* | sha256sum | cut -d' ' -f1)
  [ "$(cat "$root/$name/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
  echo "installing $name into $root" >&2
  rm -rf "${root:?}/$name"
  mkdir -p "$root/$name"
  # In a subshell of its own: a test of its status in `if` or `||` would switch off `set -e` inside it.
  set +e
  (
    set -e
    case $name in
      scimmy | better-auth) node_packages "$name" ;;
      browser) chromium && node_packages "$name" ;;
      *) python_packages "$name" ;;
    esac
  ) >"$log" 2>&1 </dev/null
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then
    tail -n 20 "$log" >&2
    echo "installing $name failed; the whole output is in $log" >&2
    exit 1
  fi
  echo "$stamp" >"$root/$name/.stamp"
}

[ "$#" -gt 0 ] || set -- scim2-server scimmy django-scim2 better-auth scim2-tester pyjwt jsonschema aiosmtpd browser typos msgraph kubernetes-validate
for name in "$@"; do
  case $name in
    scim2-server | scimmy | django-scim2 | better-auth | scim2-tester | pyjwt | jsonschema | aiosmtpd | browser | typos | msgraph | kubernetes-validate) ;;
    *) echo "install.sh: unknown name $name; known are scim2-server, scimmy, django-scim2, better-auth, scim2-tester, pyjwt, jsonschema, aiosmtpd, browser, typos, msgraph, kubernetes-validate" >&2; exit 2 ;;
  esac
done

mkdir -p "$root"
exec 9>"$root/.lock"
flock 9
for name in "$@"; do
  install "$name"
done
