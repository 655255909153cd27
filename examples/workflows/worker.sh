#!/bin/sh
# The agent of the workflows beside this file: one program for all their kinds of work. The task comes as JSON on stdin,
# what is printed is the result, and the exit code says whether it went well. See docs/agents.md.
task=$(cat)
field() { printf %s "$task" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
cd "$WARRENER_AGENT_DIR" || exit 69

case $(field kind) in
# words.yaml
files)
    list=
    for file in *.txt; do list="$list${list:+,}\"$file\""; done
    echo "{\"files\":[$list]}" ;;
words)
    file=$(field file)
    words=$(wc -w < "$file") || exit 1
    echo "{\"file\":\"$file\",\"words\":$words}" ;;
total)
    sum=0
    for words in $(printf %s "$task" | grep -o '"words":[0-9]*' | cut -d: -f2); do sum=$((sum + words)); done
    echo "{\"words\":$sum}" ;;
# release.yaml
test) echo "{\"tested\":\"$(field version)\"}" ;;
build) echo "{\"artifact\":\"app-$(field version).tar\"}" ;;
notify) echo 'nobody listens' >&2; exit 1 ;;
deploy) echo "{\"deployed\":\"$(field artifact)\"}" ;;
# review.yaml
review) echo "{\"by\":\"$(field aspect)\",\"verdict\":\"fine\"}" ;;
*) echo "this agent knows no $(field kind)" >&2; exit 64 ;;
esac
