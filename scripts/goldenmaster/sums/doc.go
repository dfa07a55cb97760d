// Package sums is the list by which a golden master checks itself: its builder writes it, its own system reads it.
//
//	d - "srv/salle 1"                           a folder
//	f 9f86d081...f00a08 "srv/salle 1/cours.txt" a file: SHA-256 of its content, sparse or not
//	l - "srv/salle 1/lien" "cours.txt"          a symbolic link and where it points
//
// Names are Go string literals, so that any byte may be in them. A list is complete: what lies in the checked folder and
// is not listed counts as damage, like what is listed and is not there.
//
// Guaranteed: Check reports every difference in names, kinds, contents and link targets. Not looked at: owners, modes,
// times and the blocks that hold the files; those are the business of the product under test and its own verify.
package sums
