import { documentIsMissing } from "./early.js";

import("./session.js").then(({ open }) => open()).catch(documentIsMissing);
