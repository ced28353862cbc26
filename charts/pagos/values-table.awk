# values.yaml → the rows of README.md's table. A "# -- text" comment describes the key below it.
/^ *# -- / { sub(/^ *# -- /, ""); text = $0; next }
/^ *# / && text != "" { sub(/^ *# /, ""); text = text " " $0; next }
/^ *[A-Za-z][A-Za-z0-9]*:/ {
  match($0, /^ */); depth = RLENGTH / 2
  key = value = substr($0, RLENGTH + 1)
  sub(/:.*/, "", key); sub(/^[^:]*: */, "", value)
  path[depth] = key
  if (text == "") next
  name = path[0]; for (i = 1; i <= depth; i++) name = name "." path[i]
  gsub(/\|/, "\\|", text)
  printf "| `%s` | %s | %s |\n", name, value == "" ? "" : "`" value "`", text
  text = ""
}
