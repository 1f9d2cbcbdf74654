import { serve } from "../serve.js";

await serve(new URL("./", import.meta.url));
