#!/bin/bash
# 300 names without their folders, by programs or by the shell itself: names.sh programs|shell
for i in $(seq 300); do
  path=/usr/lib/some/file$i.txt
  if [ "$1" = shell ]; then
    name=${path##*/}
    name=${name%.txt}
  else
    name=$(basename "$path" | sed 's/\.txt$//')
  fi
  all=$all$name
done
echo "${#all} letters"
