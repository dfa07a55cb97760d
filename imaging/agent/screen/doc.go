// Package screen shows a person, and a log, what the agent does: on every active console of the PC.
//
// A text screen is redrawn whole at each change; a serial line gets one line per event, never an escape sequence.
//
//	 Ardoise                                Poste S104-07
//	 ----------------------------------------------------
//	  Le master debian@3 est en cours d'installation.
//	  Ne pas éteindre.
//
//	  1  Choix du disque                             0.1 s
//	  2  Contrôle de la signature du master          0.4 s
//	> 3  Installation et relecture
//	     ██████████████░░░░░░░░░░  58 %  94 Mo/s  reste 41 s
//
// Lines of a serial console begin with "ardoise: " and are stable, because tests and people with a null-modem cable
// read them:
//
//	ardoise: agent 9.4 s                       seconds since the kernel started, at the first answer of the server
//	ardoise: code 123456                       to compare before this computer is approved
//	ardoise: notice CODE SEVERITY: ...         a notice, in English
//	ardoise: step restore                      a step begins
//	ardoise: step restore 45 %                 at most one in two seconds
//	ardoise: step restore done 12.3 s
//	ardoise: done deploy NAME@1 written=5 seconds=12.0
//	ardoise: failed deploy NAME@1 code=no-disk
//	ardoise: ending disk
//
// A console that blocks (a serial line with flow control and nobody there) never blocks the agent: what it cannot take
// is dropped.
package screen
