//go:build soak

package startmenu_test

// soak says that there are hours.
const soak = true
