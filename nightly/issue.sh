#!/bin/sh
# Open an issue of what a night changed, or add it to the one that is open: nightly/issue.sh FOLDER
# FOLDER is what the night handed over. Needs GitHub's gh with a token that may write issues (GH_TOKEN, GH_REPO).
set -eu

file=$1/issue.md
label=nightly
if [ ! -f "$file" ]; then
    echo "no answer and no verdict changed: no issue"
    exit 0
fi
text=$(mktemp)
trap 'rm -f "$text"' EXIT
title=$(head -n 1 "$file")
tail -n +3 "$file" >"$text"
number=$(gh issue list --label "$label" --state open --limit 1 --json number --jq '.[].number')
if [ -n "$number" ]; then
    gh issue edit "$number" --title "$title"
    gh issue comment "$number" --body-file "$text"
else
    gh label create "$label" --force --description "What a nightly run of the claims found changed"
    gh issue create --title "$title" --label "$label" --body-file "$text"
fi
