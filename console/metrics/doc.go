// Package metrics tells Prometheus how the box is: computers, tasks, sessions, the store and the requests that it answers.
//
// Sources: the text exposition format of Prometheus and its rules for names (base units, _total for counters). What is
// told is read at each scrape from a function that is given; only requests are counted as they come. No label has a value
// that a stranger could choose: labels are states, kinds, sites and the names of our own surfaces, so that a flood of
// invented PCs does not become a flood of series.
//
//	fleet, sessions, masters --Figures--> Collector --+--> GET /metrics
//	requests --Watch--> histograms -------------------+
//
// Guaranteed, by tests: docs/metrics.md lists each metric with its labels and no other, and the dashboard beside it asks
// for none that is not told. Not guaranteed: that figures of one scrape are of one moment.
package metrics
