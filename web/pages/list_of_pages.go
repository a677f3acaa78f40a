package pages

// All are the pages of the dashboard. The page of an API path is /ui before
// that path, so the list of pods is at /ui/api/v1/pods.
var All = []Page{
	{Method: "GET", Path: "/login", Public: true, Serve: loginPage},
	{Method: "POST", Path: "/login", Public: true, Serve: login},
	{Method: "POST", Path: "/logout", Serve: logout},
	{Method: "GET", Path: "/ui/", Serve: home},
	{Method: "GET", Path: "/ui/api/", Serve: resource},
	{Method: "GET", Path: "/ui/apis/", Serve: resource},
	{Method: "GET", Path: "/ui/session", Serve: sessionCheck},
	{Method: "POST", Path: "/ui/theme", Serve: setTheme},
}
