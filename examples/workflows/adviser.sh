#!/bin/sh
# An agent that is asked, by decide.yaml: it has one idea ($1), and a vote ($2). The invitation comes as JSON on stdin, and what is
# printed is the answer. See docs/sessions.md.
case $(cat) in
*'"phase":"vote"'*) echo "{\"choice\":\"$2\",\"confidence\":0.9}" ;;
*) echo "{\"suggestion\":\"$1\",\"rationale\":\"it is short\",\"confidence\":0.6}" ;;
esac
