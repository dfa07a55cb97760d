// Command ardoise-agent is the first process of the boot environment: it images the PC that it was booted on.
//
// It takes no flags. The kernel command line speaks to it (ardoise.server, ardoise.ca, ardoise.mac, ardoise.lang,
// ardoise.stay; see imaging/job and imaging/agent/boot). As PID 1 it mounts, starts itself once more as the agent proper,
// reaps, and ends the PC as that one wished; should the agent die, it says so on the screen and restarts the PC.
package main
