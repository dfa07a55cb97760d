// Package sources gets what both the boot environment and the golden master are made of: Debian 13's signed loaders and
// kernel, tools and firmware, fetched, unpacked and ready to be copied from.
//
//	scripts/debian (lock, apt) --> Open --> Trees  (one root out of many unpacked packages)
//	                                   \--> Kernel (version, signed image, modules by name)
//
// Sources: the packages' own lists of files; Debian's UsrMerge (everything lies below usr).
package sources
