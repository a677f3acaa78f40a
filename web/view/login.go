package view

// Login is the page on which a session begins.
type Login struct {
	Problem string
	// Next is where the browser goes afterwards.
	Next string
	// Certificate offers to log in as the owner of the connection's
	// certificate.
	Certificate string
}
