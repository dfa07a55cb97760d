package words

// orders holds the texts of orders, jobs and their reports.
func orders() map[string]Pair {
	return map[string]Pair{
		"curve.label": {"Débit au cours du temps, sur le réseau et sur les disques", "Rate over time, on the wire and to disks"},
	}
}
