package registry

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	matchPath   = field.NewPath("resourceVersionMatch")
	initialPath = field.NewPath("sendInitialEvents")
)

// ValidateListOptions finds combinations of the options of a list, or of a
// watch where o.Watch is set, that make no sense: a 422 Status in Kubernetes'
// words. List and Watch check what they are given themselves; it is for what
// they do not see (sendInitialEvents on a list, continue on a watch).
func ValidateListOptions(o *metav1.ListOptions) error {
	var errs field.ErrorList
	if o.Watch {
		errs = watchFaults(o.ResourceVersionMatch, o.SendInitialEvents, o.Continue)
	} else {
		errs = listFaults(o.ResourceVersion, o.ResourceVersionMatch, o.Continue)
		if o.SendInitialEvents != nil {
			errs = append(errs, field.Forbidden(initialPath, "sendInitialEvents is forbidden for list"))
		}
	}
	return invalidListOptions(errs)
}

func checkListOptions(o ListOptions) error {
	return invalidListOptions(listFaults(o.ResourceVersion, o.ResourceVersionMatch, o.Continue))
}

func checkWatchOptions(o WatchOptions) error {
	return invalidListOptions(watchFaults(o.ResourceVersionMatch, o.SendInitialEvents, ""))
}

func invalidListOptions(errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "ListOptions"}, "", errs)
}

func listFaults(version string, match metav1.ResourceVersionMatch, token string) (errs field.ErrorList) {
	if match == "" {
		return nil
	}
	forbid := func(text string) { errs = append(errs, field.Forbidden(matchPath, text)) }
	if version == "" {
		forbid("resourceVersionMatch is forbidden unless resourceVersion is provided")
	}
	if token != "" {
		forbid("resourceVersionMatch is forbidden when continue is provided")
	}
	if match != metav1.ResourceVersionMatchExact && match != metav1.ResourceVersionMatchNotOlderThan {
		errs = append(errs, field.NotSupported(matchPath, match,
			[]string{string(metav1.ResourceVersionMatchExact), string(metav1.ResourceVersionMatchNotOlderThan), ""}))
	}
	if match == metav1.ResourceVersionMatchExact && version == "0" {
		forbid(`resourceVersionMatch "exact" is forbidden for resourceVersion "0"`)
	}
	return errs
}

func watchFaults(match metav1.ResourceVersionMatch, initial *bool, token string) (errs field.ErrorList) {
	forbid := func(text string) { errs = append(errs, field.Forbidden(matchPath, text)) }
	if initial != nil && match != metav1.ResourceVersionMatchNotOlderThan {
		forbid(fmt.Sprintf("sendInitialEvents requires setting resourceVersionMatch to %s", metav1.ResourceVersionMatchNotOlderThan))
	}
	if match == "" {
		return errs
	}
	if initial == nil {
		forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
	}
	if match != metav1.ResourceVersionMatchNotOlderThan {
		errs = append(errs, field.NotSupported(matchPath, match, []string{string(metav1.ResourceVersionMatchNotOlderThan)}))
	}
	if token != "" {
		forbid("resourceVersionMatch is forbidden when continue is provided")
	}
	return errs
}
