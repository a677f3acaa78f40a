package view

// Login is the page on which a session begins.
type Login struct {
	Problem string
	// Next is where the browser goes afterwards.
	Next string
	// Certificate offers to log in as the owner of the connection's
	// certificate.
	Certificate string
	// Providers are where else one can log in.
	Providers []Link
	// Ended is where a login that has ended here ends too.
	Ended *Link
}
