// Package words holds every text of the console's pages, in French and in English, in tables that a reader can check
// line by line.
//
// A text is asked for by its key. Numbers in braces stand for arguments, in the order in which they are given; a text of
// the form "one|many" is chosen by a number, as each language counts: French says "0 poste", English "0 computers".
//
//	"flash.renamed": {"{0} s’appelle maintenant {1}.", "{0} is now called {1}."}
//	"n.computers":   {"{n} poste|{n} postes", "{n} computer|{n} computers"}
//
// Source: the words of DESIGN.md section 3 with their French labels. What a refusal says, and what to do about it, is not
// here but in console/notices, which the command line shares.
//
// A key that is not in the table comes back as itself, so that a page is never lost by a word; the test of console/web
// finds such keys, texts in templates that no table holds, and entries that nobody asks for.
package words
