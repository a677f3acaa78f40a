import{G as a,H as b}from"./chunk-AJQB2HQ4.js";import"./chunk-H5ZO3FYS.js";export{b as edit,a as insertFiles};
