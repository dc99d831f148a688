// Sets the colours before the first paint, so that a dark page never flashes white.
"use strict";
document.documentElement.dataset.theme = localStorage.getItem("wxsdk-theme") || "auto";
