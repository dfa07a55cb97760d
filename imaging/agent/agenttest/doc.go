// Package agenttest is a server that speaks imaging/job, for tests of the agent: real TLS, real signatures, everything in
// memory, and faults on demand.
package agenttest
