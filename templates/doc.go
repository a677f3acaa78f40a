// Package templates owns the frame of the dashboard's HTML and the parts that
// pages share; the pages themselves are in templates/pages. Templates print
// values of web/view and call nothing that can fail. Read layout.templ first.
package templates

//go:generate go tool templ generate
//go:generate go run ./compact . pages
