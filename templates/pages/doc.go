// Package pages owns the HTML of the dashboard's pages, one file a page, and the
// fragments that live updates put into them. Read list.templ first.
package pages
