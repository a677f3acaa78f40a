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
	{Method: "POST", Path: "/ui/save", Serve: save},
	{Method: "POST", Path: "/ui/delete", Serve: remove},
	{Method: "POST", Path: "/ui/bulk", Serve: bulk},
	{Method: "GET", Path: "/ui/jobs/", Serve: jobPage},
	{Method: "POST", Path: "/ui/jobs/", Serve: cancelJob},
	{Method: "GET", Path: "/ui/apply", Serve: applyPage},
	{Method: "POST", Path: "/ui/apply", Serve: apply},
	{Method: "GET", Path: "/ui/explore", Serve: explore},
	{Method: "GET", Path: "/ui/explore/kind", Serve: exploreKind},
	{Method: "GET", Path: "/ui/explore/op", Serve: exploreOp},
	{Method: "POST", Path: "/ui/try", Serve: try},
	{Method: "POST", Path: "/ui/complete", Serve: complete},
	{Method: "GET", Path: "/ui/search", Serve: search},
	{Method: "GET", Path: "/ui/whoami", Serve: whoAmI},
	{Method: "POST", Path: "/ui/as", Serve: actAs},
	{Method: "GET", Path: "/ui/access", Serve: access},
	{Method: "GET", Path: "/ui/sessions", Serve: sessions},
	{Method: "POST", Path: "/ui/sessions", Serve: endSession},
	{Method: "GET", Path: "/ui/help", Serve: help},
	{Method: "GET", Path: "/ui/session", Serve: sessionCheck},
	{Method: "POST", Path: "/ui/theme", Serve: setTheme},
}
