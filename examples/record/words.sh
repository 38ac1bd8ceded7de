#!/bin/sh
# The lines of 250 files that have a word, by a grep for each or one for all: words.sh each|all
folder=$(mktemp -d)
for file in $(seq 250); do
  for line in 1 2 3 4 5 6 7 8 9 10; do echo "the $file $line"; done > "$folder/$file"
done
if [ "$1" = all ]; then
  cat "$folder"/* | grep -c the
else
  sum=0
  for file in "$folder"/*; do sum=$(expr $sum + "$(grep -c the "$file")"); done
  echo $sum
fi
rm -r "$folder"
